/** The child process that resolves a kubeconfig, exec plugins included. */
import process from 'node:process';
import { answerParent } from '../child-task-entry.ts';
import type { ResolveRequest } from './kubeconfig.ts';
import { resolveKubeconfig } from './kubeconfig-resolution.ts';

answerParent((request: ResolveRequest) => resolveKubeconfig(request, process.env));
