import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS, runCommandLine } from '../../../src/commands/command-line.ts';
import { testEnvironment } from './environment.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-commands-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function run(...args: string[]) {
  const environment = testEnvironment(args, { cwd: folder, env: { HOME: folder } });
  const status = await runCommandLine(environment);
  return { status, out: environment.out.join(''), err: environment.err.join('') };
}

const RIGHT = `apiVersion: zonelet.dev/v1alpha1
kind: Zonelet
set: shop
kubeconfig: ./missing.kubeconfig
zones:
  - name: zone-a
    provider: { kind: simulated }
`;

describe('the command line', () => {
  test('without a command: the overview on stderr and status 2', async () => {
    const { status, out, err } = await run();
    expect(status).toBe(2);
    expect(out).toBe('');
    for (const { name, summary } of COMMANDS) {
      expect(err).toContain(name);
      expect(err).toContain(summary.slice(0, 20));
    }
  });

  test.each(COMMANDS.map(({ name, summary }) => [name, summary]))(
    '%s --help is a page to work from',
    async (name, summary) => {
      const { status, out, err } = await run(name, '--help');
      expect({ status, err }).toEqual({ status: 0, err: '' });
      expect(out).toMatch(new RegExp(`^Usage: zonelet ${name} `));
      expect(out).toContain('Options:');
      expect(out).toContain('Exit status:');
      expect(out).toContain('Examples:');
      // A command in an example is not broken: it is there to be copied.
      const text = out.split('\n').filter((line) => !/^ {2}\S*zonelet /.test(line));
      expect(Math.max(...text.map(({ length }) => length))).toBeLessThanOrEqual(80);
      expect((await run('help', name)).out).toBe(out);
      expect((await run('--help')).out).toContain(summary.slice(0, 20));
    },
  );

  test.each(COMMANDS.map((entry) => [entry.name, entry] as const))(
    '%s says the same of itself in the list',
    async (name, entry) => {
      const command = await entry.load();
      expect(command.name).toBe(name);
      expect(command.summary).toBe(entry.summary);
    },
  );

  test.each([
    [['rum'], 'unknown command "rum"; did you mean "run"?'],
    [['run'], 'missing option --config FILE'],
    [['run', '--confg', 'x'], 'unknown option --confg; did you mean --config?'],
    [['run', '-c', 'x', '--http-port', '70000'], 'found "70000", allowed: a whole number from 0 to 65535'],
    [['status', '-c', 'x', '-o', 'jsn'], 'found "jsn", allowed: table, json; did you mean "json"?'],
    [['validate', 'a', 'b'], 'unexpected argument "b"'],
    [['--verbose'], 'unknown option --verbose'],
  ])('%j is a mistake with a hint, and status 2', async (args, hint) => {
    const { status, out, err } = await run(...args);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain(hint);
  });

  test('all mistakes of a command line at once', async () => {
    const { err } = await run('run', '--http-port', 'x', '--hom-zone', 'zone-a');
    expect(err).toContain('--http-port');
    expect(err).toContain('did you mean --home-zone?');
    expect(err).toContain('missing option --config');
  });

  test('run with a wrong configuration names every mistake and does nothing', async () => {
    await writeFile(
      join(folder, 'wrong.yaml'),
      RIGHT.replace('set: shop', 'set: Shop!').replace('name: zone-a', 'nam: zone-a'),
    );
    const { status, err } = await run('run', '--config', 'wrong.yaml');
    expect(status).toBe(2);
    expect(err).toMatch(/^wrong\.yaml:3:/m);
    expect(err).toContain('did you mean "name"?');
  });

  test.each(['run', 'status'])('%s with a kubeconfig that is not there is a mistake that names it', async (command) => {
    await writeFile(join(folder, 'right.yaml'), RIGHT);
    const { status, err } = await run(command, '--config', 'right.yaml');
    expect(status).toBe(2);
    expect(err).toContain('missing.kubeconfig');
  });

  test('demo on a cluster whose kubeconfig is not there, or that does not answer, starts nothing', async () => {
    const missing = await run('demo', '--kubeconfig', 'missing.kubeconfig');
    expect({ ...missing, err: '' }).toEqual({ status: 2, out: '', err: '' });
    expect(missing.err).toContain('missing.kubeconfig');

    // Port 1 of this machine: nothing answers there.
    const cluster = { name: 'c', cluster: { server: 'https://127.0.0.1:1' } };
    const context = { name: 'x', context: { cluster: 'c', user: 'u' } };
    const user = { name: 'u', user: { token: 't' } };
    await writeFile(
      join(folder, 'silent.kubeconfig'),
      JSON.stringify({ clusters: [cluster], contexts: [context], users: [user], 'current-context': 'x' }),
    );
    const silent = await run('demo', '--kubeconfig', 'silent.kubeconfig');
    expect({ ...silent, err: '' }).toEqual({ status: 1, out: '', err: '' });
    expect(silent.err).toContain('ECONNREFUSED');
  });
});
