/** `npm run generate`. */
import { generate } from './generated.ts';

const changed = generate();
console.log(changed.length === 0 ? 'nothing had changed' : `written: ${changed.join(', ')}`);
