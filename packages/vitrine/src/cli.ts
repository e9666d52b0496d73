import { FAILED, run, RUN_HELP } from './cli/run.ts';
import { UsageError } from './cli/options.ts';
import { LinuxMachine } from './machine.ts';
import { nodePlatform } from './node/platform.ts';
import { writeAll } from './cli/terminal.ts';

const HELP = `Usage: vitrine [COMMAND]

Linux in one process: an x86-64 machine and its kernel, in TypeScript and WebAssembly.

Commands:
  run     boot a machine and run a program in it; without COMMAND, an interactive shell
  pull    fetch an image from a registry
  images  list the images that are here
  rmi     remove images
  prune   remove what no image needs
  load    take images from an archive
  inspect print an image's configuration
  image   build an image from Debian packages; also the commands above
  help    print help, of a command with \`vitrine help COMMAND\`

Options:
  --help     print this page
  --version  print the version

\`vitrine COMMAND --help\` lists the options of a command.
`;

declare const VITRINE_VERSION: string | undefined;
const version = typeof VITRINE_VERSION === 'undefined' ? 'development' : VITRINE_VERSION;

async function main([command, ...rest]: readonly string[]): Promise<number> {
  switch (command) {
    case undefined:
      return run(process.stdin.isTTY ? ['-it', 'sh', '-l'] : ['sh']);
    case 'run':
      return run(rest);
    case 'pull':
    case 'images':
    case 'rmi':
    case 'prune':
    case 'load':
    case 'inspect':
      return imageCommand(command, rest);
    case 'image':
      return imageCommand(rest[0] ?? 'help', rest.slice(1));
    case 'help':
      if (rest[0] !== undefined && rest[0] !== 'run') return main([...rest, '--help']);
      await writeAll(1, Buffer.from(rest[0] === 'run' ? RUN_HELP : HELP));
      return 0;
    case '--help':
      await writeAll(1, Buffer.from(HELP));
      return 0;
    case '--version':
    case 'version':
      await writeAll(1, Buffer.from(`vitrine ${version}\n`));
      return 0;
    default:
      throw new UsageError(
        command.startsWith('-') ? `unknown option ${command}` : `unknown command ${command}`,
      );
  }
}

/** Loaded when it is needed: a machine without images starts sooner. */
async function imageCommand(name: string, args: readonly string[]): Promise<number> {
  const { runImageCommand } = await import('./cli/images.ts');
  return runImageCommand(name, args, (options) => LinuxMachine.boot(nodePlatform, options));
}

async function fail(error: unknown): Promise<number> {
  const usage = error instanceof UsageError ? ' (see `vitrine --help`, `vitrine run --help`)' : '';
  const text = error instanceof Error ? error.message : String(error);
  const stack = process.env['VITRINE_DEBUG'] && error instanceof Error ? `\n${error.stack}` : '';
  await writeAll(2, Buffer.from(`vitrine: ${text}${usage}${stack}\n`));
  return FAILED;
}

void main(process.argv.slice(2))
  .catch(fail)
  .then((status) => process.exit(status));
