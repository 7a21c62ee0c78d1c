/** What a pod says that ended on its backend without leaving anything. */
export const LOST = {
  reason: 'NotFound',
  message: 'The pod was not found on its backend; how its containers ended is not known',
};
