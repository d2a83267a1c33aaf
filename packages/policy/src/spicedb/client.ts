/** SpiceDB's client with bounds: one question, one deadline, one outcome. */
import { v1 } from '@authzed/authzed-node';
import { status, type ClientOptions, type ClientUnaryCall, type ServiceError } from '@grpc/grpc-js';
import type { PolicyProblem } from '../question-bounds.ts';

export interface SpiceDbAddress {
  readonly endpoint: string;
  readonly token: string;
  readonly security: 'tls' | 'plaintext';
  /** PEM of the authority that signed SpiceDB's certificate; null for the system's. */
  readonly certificate: string | null;
}

export type Checked =
  | { readonly kind: 'response'; readonly response: v1.CheckPermissionResponse }
  | { readonly kind: 'problem'; readonly problem: PolicyProblem };

const MAX_RESPONSE_BYTES = 65_536;

const CHANNEL: ClientOptions = {
  'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
  // What failed is for the caller to know, within its deadline.
  'grpc.enable_retries': 0,
  // By default an outage of minutes is followed by up to two more in which nothing is tried.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // Notices a peer that vanished without a word. Servers built on grpc-go hang up on more frequent pings.
  'grpc.keepalive_time_ms': 300_000,
  // Closing this client closes its connections, whoever else talks to the same address.
  'grpc.use_local_subchannel_pool': 1,
};

export class SpiceDbClient {
  readonly #client: v1.ZedClientInterface;
  readonly #open = new Set<() => void>();
  #closed = false;

  constructor({ endpoint, token, security, certificate }: SpiceDbAddress) {
    this.#client =
      certificate === null
        ? v1.NewClient(token, endpoint, securityOf(security), undefined, CHANNEL)
        : v1.NewClientWithCustomCert(token, endpoint, Buffer.from(certificate), undefined, CHANNEL);
  }

  get inFlight(): number {
    return this.#open.size;
  }

  /** Never rejects. */
  check(request: v1.CheckPermissionRequest, deadlineMs: number): Promise<Checked> {
    if (this.#closed) return Promise.resolve({ kind: 'problem', problem: 'engine_failed' });
    return new Promise((resolve) => {
      let call: ClientUnaryCall | null = null;
      const finish = (checked: Checked) => {
        clearTimeout(timer);
        this.#open.delete(cancel);
        resolve(checked);
      };
      const giveUp = (problem: PolicyProblem) => {
        finish({ kind: 'problem', problem });
        call?.cancel();
      };
      const timer = setTimeout(() => giveUp('deadline'), deadlineMs);
      const cancel = () => giveUp('engine_failed');
      this.#open.add(cancel);
      // Told to SpiceDB too, so that it stops as well; ours does not hang on a clock that can be set.
      const options = { deadline: Date.now() + deadlineMs };
      try {
        call = this.#client.checkPermission(request, options, (error, response) =>
          finish(checkedOf(error, response)),
        );
      } catch {
        giveUp('engine_failed');
      }
    });
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#open) cancel();
    this.#client.close();
  }
}

function securityOf(security: SpiceDbAddress['security']): v1.ClientSecurity {
  return security === 'tls' ? v1.ClientSecurity.SECURE : v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS;
}

function checkedOf(error: ServiceError | null, response: v1.CheckPermissionResponse | undefined): Checked {
  if (error === null && response !== undefined) return { kind: 'response', response };
  if (error?.code === status.DEADLINE_EXCEEDED) return { kind: 'problem', problem: 'deadline' };
  if (error?.code === status.RESOURCE_EXHAUSTED) return { kind: 'problem', problem: 'overloaded' };
  return { kind: 'problem', problem: 'engine_failed' };
}
