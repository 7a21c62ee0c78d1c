import { electBy } from './stage.ts';

electBy('redis');
await import('./storm.test.ts');
