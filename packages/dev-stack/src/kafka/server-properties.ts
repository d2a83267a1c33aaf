export interface BrokerAddresses {
  /** What the broker listens on; clients always come through 127.0.0.1. */
  listenHost: string;
  port: number;
  controllerPort: number;
  dataDir: string;
}

/** Partition counts of the internal topics: few, so that a start loads few. */
export const groupPartitions = 4;
export const transactionPartitions = 2;

/** One combined broker and controller. */
export function brokerSettings(addresses: BrokerAddresses): Record<string, string | number | boolean> {
  const { listenHost, port, controllerPort, dataDir } = addresses;
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://${listenHost}:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': dataDir,

    // A misspelt topic is an error, not a new topic.
    'auto.create.topics.enable': false,
    'default.replication.factor': 1,
    'min.insync.replicas': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': groupPartitions,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': transactionPartitions,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,

    // Tests join groups all the time, and take over from a dead member quickly.
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1000,

    // A killed broker may come back only when its old registration has run out: 9 s by default.
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,

    'message.max.bytes': 16 * 1024 * 1024,
    'replica.fetch.max.bytes': 16 * 1024 * 1024,
    'log.retention.hours': 168,
    // The default, 128 MB, is a third of this broker's heap.
    'log.cleaner.dedupe.buffer.size': 16 * 1024 * 1024,
    'num.network.threads': 2,
    'num.io.threads': 4,
  };
}

/** @param more goes over what is set here */
export function serverProperties(
  addresses: BrokerAddresses,
  more: Readonly<Record<string, string>> = {},
): string {
  return Object.entries({ ...brokerSettings(addresses), ...more })
    .map(([name, value]) => `${name}=${String(value).replaceAll('\n', String.raw`\n`)}\n`)
    .join('');
}
