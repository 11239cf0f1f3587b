/** As much of Node.js as is used here. */
declare module "node:crypto" {
  export const webcrypto: Crypto;
}
