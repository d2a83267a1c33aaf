/**
 * Decides in this process, by the usage snapshots that it follows: in microseconds, and closed when
 * blind. It holds nothing for what it allowed: processes that may not go over a limit together use a
 * gate (@meterhouse/gate). Usage of past hours is not in the snapshots, so `getUsage` needs another reader.
 */
import { Looking } from '@meterhouse/gate/look';
import { createKafka, createRegistry } from '@meterhouse/kafka';
import { InvalidQuestionError, showDecision, type TenantClass } from '@meterhouse/quota';
import { readSnapshots } from '@meterhouse/quota/reader';
import { ReaderError, type OpenReader, type Reader } from '../../adapter.ts';
import { abortable } from '../../abortable.ts';
import type { SnapshotsOptions } from './options.ts';

export const openReader = ((options, { source, logger, now, clock }): Reader => {
  const { brokers, schemaRegistryUrl, topic, tls, login, groupPrefix } = options;
  const clientId = `meterhouse-producer-${source}`;
  const bothClocks = () => ({ wallMs: now(), monotonicMs: clock() });
  const snapshots = readSnapshots({
    kafka: createKafka({ brokers, clientId, logger, tls, ...(login === undefined ? {} : { login }) }),
    registry: createRegistry(schemaRegistryUrl),
    topic,
    logger,
    clock: bothClocks,
    ...(groupPrefix === undefined ? {} : { groupPrefix }),
  });
  const looking = new Looking(snapshots);
  // Before that nothing is known, and what is not known would be denied for the wrong reason.
  const ready = snapshots.ready({ deadlineMs: 2 ** 31 - 1 });
  let isReady = false;
  ready.then(
    () => (isReady = true),
    // Only at the end of its deadline, in some weeks.
    () => undefined,
  );
  const whenReady = (signal: AbortSignal): Promise<void> => abortable(ready, signal, stillReading);
  const classOf = (tenantId: string): TenantClass | null => {
    const tenant = looking.policies.tenant(tenantId);
    return 'problem' in tenant ? null : tenant.class;
  };
  return {
    readUsage: null,
    check: async (question, signal) => {
      await whenReady(signal);
      try {
        const decision = await looking.look(question, bothClocks);
        return { ...showDecision(question.tenantId, decision, true), decidedBy: 'snapshots' };
      } catch (error) {
        if (!(error instanceof InvalidQuestionError)) throw error;
        throw new ReaderError('refused', error.message, { field: error.field, cause: error });
      }
    },
    classOf: (tenantId, signal) =>
      isReady ? classOf(tenantId) : whenReady(signal).then(() => classOf(tenantId)),
    close: () => snapshots.close(),
  };
}) satisfies OpenReader<SnapshotsOptions>;

function stillReading(): ReaderError {
  return new ReaderError('unavailable', 'the snapshots are still being read');
}
