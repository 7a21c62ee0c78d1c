import { electBy } from './stage.ts';

electBy('redis');
await import('./moves.test.ts');
