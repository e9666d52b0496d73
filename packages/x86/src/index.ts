export * from "./cpu.ts";
