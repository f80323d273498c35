import { openEmbedded } from '../support/store-configurations.ts';
import { specifyHandler } from './handler-specification.ts';

specifyHandler('the embedded event store', openEmbedded);
