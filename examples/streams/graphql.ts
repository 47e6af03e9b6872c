/** GraphQL over WebSockets, by the protocol of `graphql-ws`. `app.ts` closes the WebSockets when their token ends. */

import { EventEmitter, on } from 'node:events'
import type { Bearer } from '@bearergate/express'
import {
  GraphQLBoolean,
  GraphQLInt,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'

interface Context {
  readonly from: string | undefined
}

const messages = new EventEmitter().setMaxListeners(0)

const Query = new GraphQLObjectType({
  name: 'Query',
  fields: { subscribers: { type: GraphQLInt, resolve: () => messages.listenerCount('message') } },
})

const Mutation = new GraphQLObjectType({
  name: 'Mutation',
  fields: {
    send: {
      type: GraphQLBoolean,
      args: { text: { type: new GraphQLNonNull(GraphQLString) } },
      resolve: (_source, { text }, { from }: Context) => messages.emit('message', `${from}: ${text}`),
    },
  },
})

const Subscription = new GraphQLObjectType({
  name: 'Subscription',
  fields: {
    messages: {
      type: GraphQLString,
      // Not an async generator: `return()` of a generator that awaits a message waits too, and so keeps the listener.
      subscribe: () => on(messages, 'message'),
      resolve: ([text]: [string]) => text,
    },
  },
})

/** Creates the WebSocket server for upgrades that `auth.gate` has allowed. */
export function graphqlSockets(auth: Bearer): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true })
  const schema = new GraphQLSchema({ query: Query, mutation: Mutation, subscription: Subscription })
  const context = (request: object): Context => ({ from: auth.identity(request).subject })
  useServer({ schema, context: ({ extra }) => context(extra.request) }, sockets)
  return sockets
}
