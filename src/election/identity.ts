/** Who holds a lock: `<replica>_<pod UID or ->_<boot id>`. */

export interface Identity {
  readonly replica: string;
  /** Undefined when the replica is no pod, or does not know its UID. */
  readonly podUid: string | undefined;
  /** New with every start of the process: two processes never share a holder identity, not even two of one pod. */
  readonly bootId: string;
}

export function holderIdentity(replica: string, podUid: string | undefined, bootId: string): string {
  return `${replica}_${podUid ?? '-'}_${bootId}`;
}

/** Undefined for what is not written in this form, by somebody else or by hand. */
export function parseHolder(holder: string): Identity | undefined {
  const parts = /^(.+)_([^_]+)_([^_]+)$/.exec(holder);
  const [, replica, uid, bootId] = parts ?? [];
  if (replica === undefined || uid === undefined || bootId === undefined) return undefined;
  return { replica, podUid: uid === '-' ? undefined : uid, bootId };
}

/**
 * True when `holder` was an earlier process of the same pod. A pod has one such container, and a new one starts only
 * when the old one is gone: that is proof of death.
 */
export function isEarlierBoot(holder: string, own: string): boolean {
  const [theirs, ours] = [parseHolder(holder), parseHolder(own)];
  if (theirs?.podUid === undefined || ours === undefined) return false;
  return theirs.podUid === ours.podUid && theirs.bootId !== ours.bootId;
}
