import { UWEBSOCKETS } from '../support/socket-adapters.ts';
import { socketsContract } from './sockets-contract.ts';

socketsContract(UWEBSOCKETS);
