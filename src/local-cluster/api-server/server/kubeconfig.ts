/** The file that stock kubectl, and Zonelet, reach this server with. */
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { stringify } from 'yaml';

export interface KubeconfigOptions {
  readonly url: string;
  /** PEM; undefined for plain HTTP. */
  readonly ca: string | undefined;
  readonly token: string;
}

const NAME = 'zonelet-local';

export function kubeconfigText({ url, ca, token }: KubeconfigOptions): string {
  const authority = ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: NAME, cluster: { server: url, ...authority } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: NAME, context: { cluster: NAME, user: 'admin' } }],
    'current-context': NAME,
  });
}

/** Whoever waits for the file never sees a part of it. Only its owner can read it. */
export function writeKubeconfig(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.new`;
  writeFileSync(fresh, text, { mode: 0o600 });
  chmodSync(fresh, 0o600);
  renameSync(fresh, file);
}
