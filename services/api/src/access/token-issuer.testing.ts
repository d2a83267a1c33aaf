/** An issuer of tokens on loopback, with keys of its own: what an OIDC provider is to us. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { remoteIssuer, type TokenIssuer } from './tokens.ts';

export interface TestIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  /** A signed token that is good for ten minutes: of an admin of acme, unless the claims say otherwise. */
  token(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** From now on, whoever asks for keys gets this; without a status, the keys. */
  answer(status?: number, body?: string): void;
  remote(): TokenIssuer;
  close(): Promise<void>;
}

export async function startTokenIssuer(): Promise<TestIssuer> {
  const [issuer, audience] = ['https://issuer.example', 'meterhouse'];
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] });
  let [status, body] = [200, keys];
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  return {
    ...{ issuer, audience, jwksUrl },
    token: (claims = {}) =>
      new SignJWT({ meterhouse_role: 'tenant_admin', meterhouse_tenant: 'acme', ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setSubject('ada')
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime('10m')
        .sign(privateKey),
    answer: (...given) => ([status = 200, body = keys] = given),
    remote: () => remoteIssuer(issuer, audience, jwksUrl),
    close: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
