/**
 * The rest of a walk's filter, by mingo, of which only what resolveWalk lets through is loaded. Its own comparisons are not:
 * they order strings by UTF-16 units, MongoDB by UTF-8 bytes.
 */
import { Context } from 'mingo/core';
import { $eq, $in, $ne } from 'mingo/operators/query/comparison';
import { $exists } from 'mingo/operators/query/element';
import { Query } from 'mingo/query';
import type { AnyObject, QueryOperator } from 'mingo/types';
import { isScalar } from '../index-walk.ts';
import type { IndexWalk, Scalar, StoredDocument } from '../read-store.ts';
import { compareScalars, sameType } from './scalar-order.ts';

const OPERATORS = Context.init({
  query: {
    ...{ $eq, $in, $ne, $exists },
    $gt: ordered(order => order > 0),
    $gte: ordered(order => order >= 0),
    $lt: ordered(order => order < 0),
    $lte: ordered(order => order <= 0),
  },
});

/** Of a filter that resolveWalk has looked at. */
export function whereFilter(where: IndexWalk['where']): (document: StoredDocument) => boolean {
  if (where === undefined || Object.keys(where).length === 0) return () => true;
  const query = new Query(where, { context: OPERATORS });
  return document => query.test(document as unknown as AnyObject);
}

/** Not met by what is no scalar or of another type than the bound. */
function ordered(fits: (order: number) => boolean): QueryOperator {
  const operator = (field: string, bound: Scalar) => (document: AnyObject) => {
    const value = document[field];
    return isScalar(value) && sameType(value, bound) && fits(compareScalars(value, bound));
  };
  // mingo declares an operator as what all of its own are at once.
  return operator as unknown as QueryOperator;
}
