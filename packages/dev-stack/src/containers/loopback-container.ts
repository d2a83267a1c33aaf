import { GenericContainer } from 'testcontainers';

/** A container whose ports are reached from this machine alone; Docker's own default is every interface. */
export class LoopbackContainer extends GenericContainer {
  withLoopbackPort(containerPort: number, hostPort: number): this {
    this.withExposedPorts({ container: containerPort, host: hostPort });
    this.hostConfig.PortBindings = {
      ...(this.hostConfig.PortBindings as Record<string, unknown>),
      [`${containerPort}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: String(hostPort) }],
    };
    return this;
  }
}
