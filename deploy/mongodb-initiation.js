// For mongosh: makes a replica set of the one member, unless it is one already, and waits until it has a primary.
/* global db, print, quit, rs, sleep */
const PRIMARY_TIMEOUT_MS = 30_000;
const POLL_MS = 200;

try {
  rs.status();
  print('The replica set is there.');
} catch (error) {
  if (error.codeName !== 'NotYetInitialized') throw error;
  rs.initiate({ _id: 'rs0', members: [{ _id: 0, host: 'mongodb:27017' }] });
  print('The replica set is initiated.');
}

const deadline = Date.now() + PRIMARY_TIMEOUT_MS;
while (!db.hello().isWritablePrimary) {
  if (Date.now() > deadline) {
    print(`No primary within ${PRIMARY_TIMEOUT_MS} ms.`);
    quit(1);
  }
  sleep(POLL_MS);
}
