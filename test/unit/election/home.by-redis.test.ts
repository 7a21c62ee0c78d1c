import { electBy } from './stage.ts';

electBy('redis');
await import('./home.test.ts');
