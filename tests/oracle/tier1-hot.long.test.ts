// The scripts and guest programs once more, with code compiled, grown and shared as soon as it is a little warm.
process.env['JIT'] = '2';
await import('./oracle.test.ts');
await import('../guest/guest.test.ts');
