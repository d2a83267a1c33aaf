/**
 * A gRPC server that speaks SpiceDB's wire format, with the messages of its own client, and answers as a
 * test says. It is no SpiceDB: it has no schema and no relationships.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { v1 } from '@authzed/authzed-node';
import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { PolicyQuestion } from '@meterhouse/quota';
import { CONTRACT_RULES } from '../contract-testing.ts';
import { obviousVerdict } from '../obvious-testing.ts';

type Call = ServerUnaryCall<v1.CheckPermissionRequest, Buffer>;
type Reply = sendUnaryData<Buffer>;
type Answer = (request: v1.CheckPermissionRequest, reply: Reply, call: Call) => void;

const SERVICE: ServiceDefinition = {
  checkPermission: {
    path: '/authzed.api.v1.PermissionsService/CheckPermission',
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: v1.CheckPermissionRequest) =>
      Buffer.from(v1.CheckPermissionRequest.toBinary(request)),
    requestDeserialize: (bytes: Buffer) => v1.CheckPermissionRequest.fromBinary(bytes),
    // Answers are bytes, so that a test can send what is no message.
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
};

export class SpiceDbServer {
  readonly asked: v1.CheckPermissionRequest[] = [];
  readonly keys: string[] = [];
  cancelled = 0;
  answer: Answer;
  #server = new Server();
  #port = 0;

  constructor(answer: Answer = (request, reply) => reply(null, decideAsTheSchemaWould(request))) {
    this.answer = answer;
  }

  /** Again on the same port after `kill`. */
  async listen(): Promise<string> {
    this.#server = new Server();
    this.#server.addService(SERVICE, {
      checkPermission: (call: Call, reply: Reply) => this.#take(call, reply),
    });
    this.#port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync(`127.0.0.1:${this.#port}`, ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      }),
    );
    return `127.0.0.1:${this.#port}`;
  }

  kill(): void {
    this.#server.forceShutdown();
  }

  #take(call: Call, reply: Reply): void {
    this.asked.push(call.request);
    this.keys.push(String(call.metadata.get('authorization')[0]));
    call.on('cancelled', () => this.cancelled++);
    this.answer(call.request, reply, call);
  }
}

/** Passes bytes on, and knows which connections are open. */
export class CountingWire implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  readonly #server;

  static async to(endpoint: string): Promise<CountingWire> {
    const wire = new CountingWire(Number(endpoint.split(':')[1]));
    await new Promise<void>((resolve) => wire.#server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  private constructor(port: number) {
    this.#server = createServer((near) => {
      this.#sockets.add(near);
      const far = connect(port, '127.0.0.1');
      near.pipe(far).pipe(near);
      near.on('error', () => far.destroy()).on('close', () => this.#sockets.delete(near));
      far.on('error', () => near.destroy());
    });
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** @param token the ZedToken that the answer was checked at; null for an answer without one */
export function response(
  permissionship: v1.CheckPermissionResponse_Permissionship,
  token: string | null = 'zed-9',
): Buffer {
  const message = v1.CheckPermissionResponse.create({
    permissionship,
    ...(token === null ? {} : { checkedAt: { token } }),
  });
  return Buffer.from(v1.CheckPermissionResponse.toBinary(message));
}

/** As a schema that follows the rules of the contract: the question is put together again from the wire. */
function decideAsTheSchemaWould(request: v1.CheckPermissionRequest): Buffer {
  const { HAS_PERMISSION, NO_PERMISSION } = v1.CheckPermissionResponse_Permissionship;
  const { outcome } = obviousVerdict(CONTRACT_RULES, questionOf(request));
  return response(outcome === 'allow' ? HAS_PERMISSION : NO_PERMISSION);
}

export function questionOf(request: v1.CheckPermissionRequest): PolicyQuestion {
  const context = v1.PbStruct.toJson(request.context ?? v1.PbStruct.create()) as unknown as {
    roles: string[];
    scopes: string[];
    lineage: string[];
    attributes: Record<string, string>;
  };
  const [product = '', resourceType = '', action = ''] = request.permission.split('__');
  const { objectType = '', objectId = '' } = request.subject?.object ?? {};
  const tenant = decoded(request.resource?.objectId ?? '');
  return {
    actor: { type: objectType, id: decoded(objectId), roles: context.roles, scopes: context.scopes },
    lineage: [...context.lineage.slice(0, -1), tenant],
    product,
    resourceType,
    action,
    attributes: context.attributes,
  };
}

function decoded(objectId: string): string {
  return decodeURIComponent(objectId.replaceAll('=', '%'));
}
