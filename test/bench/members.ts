/**
 * What it costs to add a member to a request, with and without a new prototype. Express gives each request one. Runs as a child of
 * main.ts.
 */

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { median } from './report.ts'

/** Nanoseconds for one added member, medians. */
export interface Members {
  /** After `Object.setPrototypeOf`. */
  readonly replaced: number
  readonly plain: number
}

const socket = new Socket()
const prototype = Object.create(IncomingMessage.prototype)
const REQUESTS = 3_000
const ROUNDS = 51

type Add = (request: object) => void

const ADD_NONE: Add = () => {}
const ADD_TWO: Add = (request) => {
  const extended = request as { decision?: object; identity?: object }
  extended.decision = prototype
  extended.identity = prototype
}

/** Nanoseconds for one new request. */
function timeOf(isReplaced: boolean, add: Add): number {
  const begin = performance.now()
  for (let count = 0; count < REQUESTS; count += 1) {
    const request = new IncomingMessage(socket)
    if (isReplaced) Object.setPrototypeOf(request, prototype)
    add(request)
  }
  return ((performance.now() - begin) * 1e6) / REQUESTS
}

function costOf(isReplaced: boolean): number {
  const costs: number[] = []
  for (let round = 0; round < ROUNDS; round += 1)
    costs.push((timeOf(isReplaced, ADD_TWO) - timeOf(isReplaced, ADD_NONE)) / 2)
  return Math.max(0, median(costs))
}

process.send?.({ replaced: costOf(true), plain: costOf(false) } satisfies Members, () => process.disconnect())
