// Casts votes from a Node.js of its own, by the package as it is installed, and prints how each ended.
import { castVote } from "@paredao/client";

const { castMany } = await import(process.argv[2]);
console.log(JSON.stringify(await castMany(castVote, JSON.parse(process.argv[3]))));
