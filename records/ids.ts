import { customAlphabet } from 'nanoid'

const first = customAlphabet('abcdefghijklmnopqrstuvwxyz', 1)
const rest = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 19)

/** Opaque id of anything we name: 20 of a-z0-9, first a letter; a DNS label and a Kubernetes name. */
export const newId = (): string => first() + rest()

export const isId = (text: string): boolean => /^[a-z][a-z0-9]{19}$/.test(text)
