// The scripts and guest programs once more, with every block compiled when it is first executed.
process.env['JIT'] = 'force';
await import('./oracle.test.ts');
await import('../guest/guest.test.ts');
