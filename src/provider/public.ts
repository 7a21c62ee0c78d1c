/** What `zonelet/provider` exports: all that a provider outside this project needs, the errors of the contract included. */

export { type Clock, sleep } from '../clock.ts';
export { type ErrorCode, type ErrorOptions, ZoneletError } from '../errors.ts';
export type { Container, ContainerState, Pod } from '../kube/types.ts';
export * from './contract.ts';
export { CONTRACT_VERSION } from './contract-version.ts';
export { Fenced } from './fenced.ts';
export { withPodIPs } from './pod-addresses.ts';
