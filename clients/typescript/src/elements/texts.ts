import type { Direction } from "../index.js";

/** What the elements say, in one language. `{…}` is replaced. */
const PT = {
  question: { eliminate: "Quem você quer eliminar?", save: "Quem você quer salvar?" },
  submit: { eliminate: "Votar para eliminar", save: "Votar para salvar" },
  submitFor: { eliminate: "Votar para eliminar {name}", save: "Votar para salvar {name}" },
  accepted: { eliminate: "Seu voto para eliminar {name} foi registrado.", save: "Seu voto para salvar {name} foi registrado." },
  resumed: "Seu voto anterior foi registrado.",
  receipt: "Comprovante:",
  choose: "Escolha um participante antes de votar.",
  sending: "Enviando o seu voto…",
  withdrawn: "fora da disputa",
  rehearsal: "Ensaio: não vale.",
  votes: "{votes} votos",
  list: "Percentuais de {title}",
  unknown: "Não foi possível saber se o seu voto foi registrado. Não vote de novo no lugar dele.",
  waiting: {
    offline: "Sem rede. O seu voto será enviado quando a conexão voltar.",
    "no-answer": "Sem resposta. Enviando o mesmo voto de novo; ele conta uma vez só.",
    busy: "Muita gente está votando. O seu voto espera a vez.",
    paused: "A votação está em pausa. O seu voto espera.",
    "unknown-poll": "Procurando a votação…",
    "voter-token": "Aguardando a sua identificação…",
  },
  refused: {
    "poll-not-open": "A votação ainda não abriu.",
    "poll-paused": "A votação está em pausa. Tente de novo em instantes.",
    "poll-closed": "A votação encerrou. Este voto não foi registrado.",
    "poll-void": "Esta votação foi anulada.",
    "candidate-withdrawn": "Este participante saiu da disputa. O voto não foi registrado; escolha outro.",
    "vote-limit-reached": "Você já usou todos os seus votos.",
    "unknown-poll": "Esta votação não existe.",
    offline: "Sem rede. O seu voto não foi enviado.",
    other: "O voto não foi registrado ({code}). Tente de novo.",
  } as Record<string, string>,
  state: {
    loading: "Carregando…",
    not_open: "A votação ainda não abriu.",
    opens: "A votação abre em {time}.",
    open: "Votação aberta.",
    paused: "Votação em pausa.",
    closed: "Votação encerrada. Resultado ainda não final.",
    final: "Resultado final.",
    void: "Esta votação foi anulada.",
    stale: "Sem contato com o serviço: os números podem estar atrasados.",
    restricted: "Os números ainda não foram divulgados.",
    "unknown-poll": "Esta votação não existe.",
    unavailable: "Não há números no momento.",
    voter: "Este voto pede identificação, que esta página não oferece.",
  },
};

const EN: typeof PT = {
  question: { eliminate: "Who do you want to eliminate?", save: "Who do you want to save?" },
  submit: { eliminate: "Vote to eliminate", save: "Vote to save" },
  submitFor: { eliminate: "Vote to eliminate {name}", save: "Vote to save {name}" },
  accepted: { eliminate: "Your vote to eliminate {name} is recorded.", save: "Your vote to save {name} is recorded." },
  resumed: "Your earlier vote is recorded.",
  receipt: "Receipt:",
  choose: "Choose a candidate before you vote.",
  sending: "Sending your vote…",
  withdrawn: "has left",
  rehearsal: "Rehearsal: it does not count.",
  votes: "{votes} votes",
  list: "Percentages of {title}",
  unknown: "Nobody could say whether your vote is recorded. Do not vote again in its place.",
  waiting: {
    offline: "No network. Your vote is sent when there is one again.",
    "no-answer": "No answer. Sending the same vote again; it counts once.",
    busy: "Many people are voting. Your vote waits its turn.",
    paused: "The poll is paused. Your vote waits.",
    "unknown-poll": "Looking for the poll…",
    "voter-token": "Waiting for your identification…",
  },
  refused: {
    "poll-not-open": "The poll is not open yet.",
    "poll-paused": "The poll is paused. Try again in a moment.",
    "poll-closed": "The poll has closed. This vote is not recorded.",
    "poll-void": "This poll has been declared void.",
    "candidate-withdrawn": "This candidate has left. The vote is not recorded; choose another one.",
    "vote-limit-reached": "You have used all your votes.",
    "unknown-poll": "There is no such poll.",
    offline: "No network. Your vote was not sent.",
    other: "The vote is not recorded ({code}). Try again.",
  },
  state: {
    loading: "Loading…",
    not_open: "The poll is not open yet.",
    opens: "The poll opens on {time}.",
    open: "The poll is open.",
    paused: "The poll is paused.",
    closed: "The poll has closed. The result is not final yet.",
    final: "Final result.",
    void: "This poll has been declared void.",
    stale: "The service can't be reached: the figures may be old.",
    restricted: "The figures are not public yet.",
    "unknown-poll": "There is no such poll.",
    unavailable: "There are no figures at the moment.",
    voter: "This vote asks for identification, which this page does not offer.",
  },
};

export type Texts = typeof PT;
export type StateText = keyof Texts["state"];
export type ByDirection = Record<Direction, string>;

/** The language of an element: its own, that of what it stands in, or the browser's. What is neither is Portuguese. */
export function languageOf(element: Element): "pt-BR" | "en" {
  const said = element.closest("[lang]")?.getAttribute("lang") || navigator.language;
  return /^en\b/i.test(said) ? "en" : "pt-BR";
}

export const textsOf = (language: string): Texts => (language === "en" ? EN : PT);

/** Puts values into a text. */
export const fill = (text: string, values: Record<string, string>) =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
