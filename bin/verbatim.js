#!/usr/bin/env node
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`verbatim: node-too-old: this is Node ${process.versions.node}; 20.19 or newer is needed.\n`);
  process.exit(1);
}
const { main } = await import('../dist/main.js').catch(error => {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes('dist/main.js')) throw error;
  process.stderr.write('verbatim: not-built: run `npm ci`, or `npm run build`, in this checkout first.\n');
  process.exit(1);
});

process.exitCode = await main(process.argv.slice(2));
// All that had to be finished is finished: a timer or a socket that lingers keeps nobody waiting.
setTimeout(() => process.exit(), 250).unref();
