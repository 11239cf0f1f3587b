// The words of the graphic itself. Names, titles and figures come from the poll.

/** @typedef {{partial: string, final: string, votes: string, rehearsal: string, withdrawn: string, left: string, closed: string}} Texts */

/** @type {{[language: string]: Texts}} */
const TEXTS = {
  "pt-BR": {
    partial: "Parcial",
    final: "Resultado final",
    votes: "votos",
    rehearsal: "ENSAIO",
    withdrawn: "fora da disputa",
    left: "para votar",
    closed: "Votação encerrada",
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
  return /^en\b/i.test(language || "") ? TEXTS.en : TEXTS["pt-BR"];
}
