/** A command's connection to the cluster. */
import { hasCode, messageOf } from '../errors.ts';
import { connect } from '../kube/connect.ts';
import { UsageError } from './usage-error.ts';

/** As `connect`; a kubeconfig that is wrong is a mistake of whoever called the command, as one in the configuration is. */
export async function openConnection(...given: Parameters<typeof connect>): ReturnType<typeof connect> {
  try {
    return await connect(...given);
  } catch (error) {
    throw hasCode(error, 'InvalidInput') ? new UsageError(messageOf(error)) : error;
  }
}
