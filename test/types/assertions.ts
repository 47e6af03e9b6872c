/** Assertions on types: they hold where the file compiles. */

/** Whether two types are the same, modifiers included. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

export type IsAny<T> = 0 extends 1 & T ? true : false

/** Takes only a type that is `true`. */
export function assert<_Holds extends true>(): void {}

/** Takes a value of just this type, which `any` is not. */
export function expectType<Expected>() {
  return <Actual>(_value: Actual, ..._same: Equal<Actual, Expected> extends true ? [] : [never]): void => {}
}

// The assertions themselves: neither takes `any` for a type, nor one type for another.
expectType<string | undefined>()('' as string | undefined)
// @ts-expect-error
expectType<string | undefined>()('' as string)
// biome-ignore lint/suspicious/noExplicitAny: this is what must not pass
declare const anything: any
// @ts-expect-error
expectType<string>()(anything)
assert<IsAny<typeof anything>>()
// @ts-expect-error
assert<IsAny<unknown>>()
// @ts-expect-error
assert<Equal<{ readonly a: 1 }, { a: 1 }>>()
// @ts-expect-error
assert<boolean>()
