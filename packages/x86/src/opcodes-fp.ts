/** Rows of the opcode table (opcodes.ts) for x87, MMX and SSE/SSE2 floating point. */
export const fpRows: string = `
`;
