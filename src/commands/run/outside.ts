/** What a replica opens or loads beyond its API client: a simulation, which has no sockets, puts its own in their place. */
import { startHttpServer } from '../../metrics/http-server.ts';
import { startPeers } from '../../peers/peers.ts';
import { createProvider } from '../../provider/loading.ts';
import { startKubelets } from './kubelets.ts';
import { openRedis } from './redis.ts';

export interface Outside {
  readonly startHttpServer: typeof startHttpServer;
  readonly startKubelets: typeof startKubelets;
  readonly startPeers: typeof startPeers;
  readonly createProvider: typeof createProvider;
  readonly openRedis: typeof openRedis;
}

export const outside: Outside = { startHttpServer, startKubelets, startPeers, createProvider, openRedis };
