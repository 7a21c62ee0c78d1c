/**
 * The UIDs that a backend was told to delete, so that a create which was long on its way does not bring one back: its
 * sender gave it up, deleted what it may have made, and heard that nothing was there. A UID never comes twice.
 */

/** Far more than are deleted while a request can be on its way. */
const REMEMBERED = 10_000;

export class DeletedUids {
  readonly #uids = new Set<string>();

  add(uid: string): void {
    this.#uids.add(uid);
    if (this.#uids.size <= REMEMBERED) return;
    const [oldest] = this.#uids;
    if (oldest !== undefined) this.#uids.delete(oldest);
  }

  has(uid: string): boolean {
    return this.#uids.has(uid);
  }
}
