// What Node.js takes for `@paredao/client`: its version 18 has no global `crypto`.
import { webcrypto } from "node:crypto";

if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto, configurable: true, writable: true });

export * from "./index.js";
