/** The fence inside a real API server, as an operator installs it. */
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Resource } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import { zonelet } from './command.ts';
import type { Play } from './play.ts';

const PLURALS: Readonly<Record<string, string>> = {
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
};
/** In this control plane replicas are the administrator; the controllers have users of their own. */
const USER = 'administrator';

/** What `zonelet fence-policy` prints for the first replica's configuration, which has to ask for a policy. */
export async function installFencePolicy(play: Play): Promise<void> {
  const config = join(play.stage.folder, `${play.stage.replicas[0]?.name}.yaml`);
  const { status, out, err } = await zonelet(play, 'fence-policy', '--config', config, '--user', USER);
  if (status !== 0) throw new Error(`zonelet fence-policy ended with ${status}: ${err}`);
  for (const document of parseAllDocuments(out)) {
    const manifest = document.toJS() as KubeObject & { readonly kind: string };
    const of: Resource<KubeObject> = {
      group: 'admissionregistration.k8s.io',
      version: 'v1',
      plural: PLURALS[manifest.kind] ?? '',
      kind: manifest.kind,
      namespaced: false,
    };
    await play.client.create(of, manifest);
  }
}
