import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { silentLogger } from '../../../src/log.ts';
import { createProvider, loadProvider } from '../../../src/provider/loading.ts';

const context = {
  set: 'demo',
  zone: 'zone-a',
  region: 'local',
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
};

describe('loading a provider', () => {
  it('makes one from the configuration', async () => {
    await using provider = await createProvider({ kind: 'simulated', capacity: { cpu: '4' } }, context);
    expect(provider).toMatchObject({ kind: 'simulated', zone: 'zone-a' });
    for await (const report of provider.zoneReports(new AbortController().signal)) {
      expect(report).toMatchObject({ state: 'Up', capacity: { cpu: '4' } });
      break;
    }
  });

  it.each([
    [
      'simulatd',
      'unknown provider kind "simulatd", did you mean simulated? (known kinds: simulated, web, docker; others need moduleFile or package)',
    ],
    [
      'Web',
      'unknown provider kind "Web", did you mean web? (known kinds: simulated, web, docker; others need moduleFile or package)',
    ],
    [
      'kubernetes',
      'unknown provider kind "kubernetes" (known kinds: simulated, web, docker; others need moduleFile or package)',
    ],
    [
      'constructor',
      'unknown provider kind "constructor" (known kinds: simulated, web, docker; others need moduleFile or package)',
    ],
  ])('says what it knows instead of %s', async (kind, message) => {
    expect(await loadProvider({ kind })).toEqual({ ok: false, problems: [{ path: ['kind'], message }] });
  });

  describe('from outside', () => {
    let folder: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'zonelet-provider-'));
    });

    afterEach(() => rm(folder, { recursive: true }));

    async function problemsOf(source: string, more: object = {}): Promise<string[]> {
      const moduleFile = join(folder, 'acme.mjs');
      await writeFile(moduleFile, source);
      const loaded = await loadProvider({ kind: 'acme', moduleFile, ...more });
      return loaded.ok ? [] : loaded.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
    }
    const provider = (fields: string) => `export const provider = { kind: 'acme', contract: 1, ${fields} };`;
    const METHODS = 'parseOptions: (options) => ({ ok: true, options }), create: () => ({ kind: "acme" })';

    it.each<[string, string, RegExp]>([
      ['no provider', 'export const other = 1;', /^moduleFile: .* no "provider" \(it exports: other\)$/],
      ['a provider without methods', provider(''), /^moduleFile: .*lacks the methods parseOptions and create$/],
      [
        'one for another contract',
        provider(METHODS).replace('contract: 1', 'contract: 2'),
        /^moduleFile: .*written for contract 2; this Zonelet has contract 1$/,
      ],
      [
        'one for no contract',
        provider(METHODS).replace('contract: 1,', ''),
        /^moduleFile: .*written for contract none; this Zonelet has contract 1$/,
      ],
      [
        'one of another kind',
        provider(METHODS).replace("'acme'", "'other'"),
        /^kind: .*is of kind "other", not "acme"$/,
      ],
      ['a module that fails', 'throw new Error("no licence");', /^moduleFile: no licence$/],
      [
        'options that it cannot look at',
        provider('parseOptions: () => { throw new Error("oops"); }, create: () => ({})'),
        /^kind: .*oops$/,
      ],
    ])('names what is wrong with %s', async (_what, source, problem) => {
      expect(await problemsOf(source)).toEqual([expect.stringMatching(problem)]);
    });

    it('hands over the options and not where it was found, and names what the provider lacks', async () => {
      const moduleFile = join(folder, 'acme.mjs');
      await writeFile(
        moduleFile,
        provider(METHODS.replace('options })', 'options: globalThis.acmeOptions = options })')),
      );
      const loaded = await loadProvider({ kind: 'acme', moduleFile, url: 'there' });
      expect((globalThis as { acmeOptions?: unknown }).acmeOptions).toEqual({ kind: 'acme', url: 'there' });
      expect(() => loaded.ok && loaded.create(context)).toThrow(
        /kind acme cannot be used: it lacks the method validate; .*its zone is undefined, not "zone-a"; it has no capabilities/,
      );
    });

    it('is not looked for where it cannot be', async () => {
      const [file] = await problemsOf('', { moduleFile: join(folder, 'nowhere.mjs') });
      expect(file).toMatch(/^moduleFile: .*nowhere\.mjs/);
      const load = async (raw: object) => await loadProvider({ kind: 'acme', ...raw });
      expect(await load({ package: 'zonelet-provider-that-is-nowhere' })).toMatchObject({
        problems: [
          { path: ['package'], message: expect.stringContaining('there is no package zonelet-provider-that') },
        ],
      });
      expect(await load({ package: '../up' })).toMatchObject({
        problems: [{ path: ['package'], message: expect.stringContaining('must be the name of an npm package') }],
      });
      expect(await load({ package: 'a', moduleFile: '/b' })).toMatchObject({ problems: [{ path: ['package'] }] });
      expect(await load({ kind: 'web', moduleFile: '/b' })).toMatchObject({
        problems: [{ path: ['moduleFile'], message: 'web is built in: it comes from no other place' }],
      });
    });

    it('may be a package', async () => {
      // One that is installed here and is no provider.
      expect(await loadProvider({ kind: 'acme', package: 'yaml' })).toMatchObject({
        problems: [{ path: ['package'], message: expect.stringContaining('exports no "provider"') }],
      });
    });
  });

  it('names every wrong option', async () => {
    const raw = {
      kind: 'simulated',
      startDelayMs: -1,
      capacity: { cpu: 4, pods: 'many' },
      podCIDR: '198.18.0.1/15',
      colour: 'red',
    };
    const loaded = await loadProvider(raw);
    expect(loaded.ok ? [] : loaded.problems.map(({ path }) => path.join('.')).sort()).toEqual([
      'capacity.cpu',
      'capacity.pods',
      'colour',
      'podCIDR',
      'startDelayMs',
    ]);
    await expect(createProvider(raw, context)).rejects.toMatchObject({ code: 'InvalidInput' });
  });
});
