import { electBy } from './stage.ts';

electBy('redis');
await import('./witness.test.ts');
