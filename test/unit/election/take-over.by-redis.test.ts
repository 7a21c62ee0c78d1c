import { electBy } from './stage.ts';

electBy('redis');
await import('./take-over.test.ts');
