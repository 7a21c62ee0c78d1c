/** What `zonelet/provider` exports: all that a provider outside this project needs, the errors of the contract included. */

export { type ErrorCode, type ErrorOptions, ZoneletError } from '../errors.ts';
export * from './contract.ts';
export { Fenced } from './fenced.ts';
