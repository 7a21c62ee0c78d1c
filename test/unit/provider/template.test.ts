/** The provider in providers/README.md, as somebody outside this project would copy it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { silentLogger } from '../../../src/log.ts';
import { providerConformance } from '../../../src/provider/conformance/suite.ts';
import { type LoadedProvider, loadProvider } from '../../../src/provider/loading.ts';

const README = `${import.meta.dirname}/../../../providers/README.md`;
const PUBLIC = `${import.meta.dirname}/../../../src/provider/public.ts`;

let folder: string;
let loaded: LoadedProvider & { readonly ok: true };
let services = 0;

async function template(): Promise<string> {
  const code = /^```ts template\n(.*?)^```$/ms.exec(await readFile(README, 'utf8'))?.[1];
  if (code === undefined) throw new Error('providers/README.md has no template');
  return code;
}

const load = (address: string) => loadProvider({ kind: 'template', moduleFile: join(folder, 'template.ts'), address });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-template-'));
  await writeFile(
    join(folder, 'template.ts'),
    (await template()).replace("'zonelet/provider'", `'${resolve(PUBLIC)}'`),
  );
});

afterAll(() => rm(folder, { recursive: true }));

describe('the template', () => {
  it('is short, and loads by its file', async () => {
    expect((await template()).trimEnd().split('\n').length).toBeLessThan(150);
    expect(await loadProvider({ kind: 'template', moduleFile: join(folder, 'template.ts') })).toEqual({
      ok: false,
      problems: [{ path: ['address'], message: 'missing: where the service is' }],
    });
    expect((await load('somewhere')).ok).toBe(true);
  });
});

providerConformance('the template of providers/README.md', {
  async start() {
    const result = await load(`service-${services++}`);
    if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('; '));
    loaded = result;
    const context = {
      set: 'demo',
      zone: 'zone-a',
      region: 'local',
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
    };
    return {
      zone: 'zone-a',
      clock: systemClock,
      connect: () => loaded.create(context),
      pod: ({ does }) =>
        does === 'run' ? { spec: { containers: [{ name: 'main', image: 'registry.example/suite:1' }] } } : undefined,
      async [Symbol.asyncDispose]() {},
    };
  },
});
