import { electBy } from './stage.ts';

electBy('redis');
await import('./pod-witness.test.ts');
