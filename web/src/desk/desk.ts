// Production's desk.
export {};
