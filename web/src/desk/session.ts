// The token of this tab, and what the desk remembers of how it is looked at.

const TOKEN = "paredao.desk.token";

/** The token, in `sessionStorage`: another tab has none of it, and it ends with this one. */
export const token = {
  get: (): string => attempt(() => sessionStorage.getItem(TOKEN)) ?? "",
  set: (value: string): void => void attempt(() => sessionStorage.setItem(TOKEN, value)),
  forget: (): void => void attempt(() => sessionStorage.removeItem(TOKEN)),
};

/** Language and colours, for the next visit. */
export const liking = {
  get: (name: string): string | null => attempt(() => localStorage.getItem(`paredao.desk.${name}`)) ?? null,
  set: (name: string, value: string): void => void attempt(() => localStorage.setItem(`paredao.desk.${name}`, value)),
};

/** A browser that keeps nothing has to sign in after each reload, and works all the same. */
function attempt<T>(what: () => T): T | null {
  try {
    return what();
  } catch {
    return null;
  }
}
