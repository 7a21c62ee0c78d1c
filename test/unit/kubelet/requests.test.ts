import { describe, expect, it } from 'vitest';
import { verbOf } from '../../../src/kubelet/attributes.ts';
import { parseLogRequest } from '../../../src/kubelet/log-request.ts';
import { parseTarget } from '../../../src/kubelet/request-target.ts';

describe('request targets', () => {
  it('takes a plain path apart', () => {
    expect(parseTarget('/containerLogs/ns/pod/c/?follow=true')).toMatchObject({
      path: '/containerLogs/ns/pod/c',
      segments: ['containerLogs', 'ns', 'pod', 'c'],
    });
  });

  it.each([
    undefined,
    '*',
    'https://elsewhere/healthz',
    '//healthz',
    '/a//b',
    '/containerLogs/../exec/ns/pod/c',
    '/containerLogs/%2e%2e/exec',
    '/containerLogs/ns%2Fpod/c',
    '/containerLogs/ns/pod%00/c',
    '/containerLogs/ns/pod/%zz',
    '/containerLogs/ns/pod/%5c',
    '/containerLogs/ns/pod/%0d%0a',
    '/containerLogs/ns/%ff/c',
  ])('refuses %s', (url) => {
    expect(parseTarget(url)).toBeUndefined();
  });

  it('takes every upgrade for a creation, so that reading gives no shell', () => {
    expect(verbOf('GET', true)).toBe('create');
    expect(verbOf('GET', false)).toBe('get');
    expect(verbOf('TRACE', false)).toBeUndefined();
  });
});

describe('log queries', () => {
  const NOW = Date.UTC(2026, 0, 1);
  const parse = (query: string) => parseLogRequest(new URLSearchParams(query), NOW);

  it.each([
    ['', { follow: false, previous: false, timestamps: false }],
    ['tailLines=0', { tailLines: 0 }],
    ['tail=5', { tailLines: 5 }],
    ['tail=all&tailLines=3', {}],
    ['follow=true&timestamps=1&previous=yes', { follow: true, timestamps: true, previous: true }],
    ['follow=0&timestamps=False&previous', { follow: false, timestamps: false, previous: true }],
    ['sinceSeconds=60', { sinceTimeMs: NOW - 60_000 }],
    ['sinceTime=2025-12-31T23:00:00Z', { sinceTimeMs: NOW - 3_600_000 }],
    ['tailLines=9223372036854775807', { tailLines: Number.MAX_SAFE_INTEGER }],
  ])('reads %s', (query, options) => {
    expect(parse(query)).toMatchObject({ ok: true, options });
  });

  it.each([
    'tailLines=x',
    'tailLines=1.5',
    'tailLines=',
    'tailLines=9223372036854775808',
    'limitBytes=0x1',
    'sinceTime=yesterday',
  ])('cannot decode %s', (query) => expect(parse(query)).toMatchObject({ ok: false, status: 400 }));

  it.each([
    'tailLines=-1',
    'limitBytes=0',
    'sinceSeconds=0',
    'sinceSeconds=-5',
    'sinceSeconds=1&sinceTime=2025-12-31T23:00:00Z',
    'stream=Stdin',
  ])('refuses %s', (query) => expect(parse(query)).toMatchObject({ ok: false, status: 422 }));
});
