// The words of the graphic itself. Names, titles and figures come from the poll.

/** @typedef {{partial: string, final: string, votes: string, rehearsal: string, withdrawn: string, left: string, closed: string}} Texts */

/** @type {{[language: string]: Texts}} */
const TEXTS = {
  pt: {
    partial: "Parcial",
    final: "Resultado final",
    votes: "votos",
    rehearsal: "ENSAIO",
    withdrawn: "fora da disputa",
    left: "para votar",
    closed: "Votação encerrada",
  },
  es: {
    partial: "Resultado parcial",
    final: "Resultado final",
    votes: "votos",
    rehearsal: "ENSAYO",
    withdrawn: "fuera de juego",
    left: "para votar",
    closed: "Votación cerrada",
  },
  en: {
    partial: "Partial result",
    final: "Final result",
    votes: "votes",
    rehearsal: "REHEARSAL",
    withdrawn: "withdrawn",
    left: "left to vote",
    closed: "Voting has closed",
  },
};

/**
 * Portuguese where the language is not known: the poll's default.
 * @param {string | undefined} language
 */
export function textsOf(language) {
  const known = /^(en|es)\b/i.exec(language || "");
  return known ? TEXTS[known[1].toLowerCase()] : TEXTS.pt;
}
