/** Finds what the user probably meant. */

/** The candidate that is fewest edits away from `text`, when that is near enough to be a slip of the fingers. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const [written, meant] = [text.toLowerCase(), candidate.toLowerCase()];
    // Three letters or more that another begins with are an abbreviation of it.
    const abbreviates = written.length >= 3 && meant.startsWith(written);
    const distance = abbreviates ? 1 : editDistance(written, meant);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  // A third of the letters, two for short words: `nmae`, `leaseduration`, `renewDedline`; but not `x` for `set`.
  const limit = Math.min(Math.max(2, Math.floor(text.length / 3)), Math.max(1, text.length - 1));
  return bestDistance <= limit ? best : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  const at = (row: number, column: number): number => table[row * (b.length + 1) + column] ?? 0;
  const table = new Uint32Array((a.length + 1) * (b.length + 1));
  for (let i = 0; i <= a.length; i++) {
    for (let j = 0; j <= b.length; j++) {
      let least = i === 0 ? j : j === 0 ? i : Number.POSITIVE_INFINITY;
      if (i > 0 && j > 0) {
        const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
        least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced);
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
          least = Math.min(least, at(i - 2, j - 2) + 1);
      }
      table[i * (b.length + 1) + j] = least;
    }
  }
  return at(a.length, b.length);
}
