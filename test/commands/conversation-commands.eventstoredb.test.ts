import { openOnNode } from '../support/store-configurations.ts';
import { specifyHandler } from './handler-specification.ts';

specifyHandler('EventStoreDB, served by a node process', openOnNode);
