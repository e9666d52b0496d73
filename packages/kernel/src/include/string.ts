/** Text up to its first NUL, as C reads it. */
export const untilNul = (text: string): string => text.split('\0', 1)[0]!;

/** White space at both ends goes (lib/string_helpers.c). */
export const strstrip = (text: string): string => untilNul(text).trim();
