import { DEFAULT_CONFIG, DEFAULT_PATH, type ImageConfig } from './entry.ts';

/** The parts that count of an OCI image configuration (`application/vnd.oci.image.config.v1+json`, Docker's is the same). */
export interface OciConfig {
  readonly architecture?: string;
  readonly os?: string;
  readonly created?: string;
  readonly config?: {
    readonly User?: string;
    readonly Env?: readonly string[] | null;
    readonly Entrypoint?: readonly string[] | string | null;
    readonly Cmd?: readonly string[] | string | null;
    readonly WorkingDir?: string;
    readonly StopSignal?: string;
    readonly ExposedPorts?: Readonly<Record<string, unknown>> | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Volumes?: Readonly<Record<string, unknown>> | null;
  } | null;
  readonly rootfs?: { readonly type?: string; readonly diff_ids?: readonly string[] };
}

/** What a program starts with, from the configuration's fields. */
export function imageConfig({ config }: OciConfig): ImageConfig {
  if (config === undefined || config === null) return DEFAULT_CONFIG;
  const env: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const entry of list(config.Env)) {
    const equals = entry.indexOf('=');
    if (equals > 0) env[entry.slice(0, equals)] = entry.slice(equals + 1);
  }
  const entrypoint = list(config.Entrypoint);
  const cmd = list(config.Cmd);
  return {
    env,
    entrypoint,
    cmd: cmd.length > 0 || entrypoint.length > 0 ? cmd : DEFAULT_CONFIG.cmd,
    workdir: config.WorkingDir || '/',
    user: config.User ?? '',
    stopSignal: config.StopSignal || 'SIGTERM',
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    labels: config.Labels ?? {},
  };
}

/** Docker's old shell form is one string. */
function list(value: readonly string[] | string | null | undefined): readonly string[] {
  if (typeof value === 'string') return ['/bin/sh', '-c', value];
  return (value ?? []).filter((item) => typeof item === 'string');
}
