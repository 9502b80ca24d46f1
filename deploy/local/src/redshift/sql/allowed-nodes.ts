/**
 * What a statement may consist of: the kinds of PostgreSQL's parse tree with the fields that each
 * may have. A kind or a field that is not here is a clause that Redshift lacks, or one of which
 * nobody has made sure that it does the same there.
 */
const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

export const NODES: Readonly<Record<string, ReadonlySet<string>>> = {
  // Queries.
  SelectStmt: words(`distinctClause intoClause targetList fromClause whereClause groupClause
    havingClause valuesLists sortClause limitOffset limitCount limitOption withClause op all larg
    rarg`),
  IntoClause: words("rel colNames onCommit"),
  ResTarget: words("name val location"),
  ColumnRef: words("fields location"),
  A_Star: words(""),
  String: words("sval"),
  Integer: words("ival"),
  Float: words("fval"),
  Boolean: words("boolval"),
  List: words("items"),
  A_Const: words("ival fval boolval sval isnull location"),
  A_Expr: words("kind name lexpr rexpr rexpr_list_start rexpr_list_end location"),
  BoolExpr: words("boolop args location"),
  NullTest: words("arg nulltesttype location"),
  BooleanTest: words("arg booltesttype location"),
  CaseExpr: words("arg args defresult location"),
  CaseWhen: words("expr result location"),
  CoalesceExpr: words("args location"),
  MinMaxExpr: words("op args location"),
  SubLink: words("subLinkType testexpr operName subselect location"),
  TypeCast: words("arg typeName location"),
  TypeName: words("names typmods typemod location"),
  FuncCall: words(`funcname args agg_order agg_star agg_distinct agg_within_group over funcformat
    location`),
  WindowDef: words("partitionClause orderClause frameOptions startOffset endOffset location"),
  SortBy: words("node sortby_dir sortby_nulls location"),
  RangeVar: words("schemaname relname inh relpersistence alias location"),
  Alias: words("aliasname colnames"),
  RangeSubselect: words("subquery alias"),
  RangeFunction: words("functions alias"),
  JoinExpr: words("jointype isNatural larg rarg usingClause quals alias"),
  WithClause: words("ctes recursive location"),
  CommonTableExpr: words("ctename aliascolnames ctematerialized ctequery location"),
  GroupingSet: words("kind content location"),
  RowExpr: words("args row_format location"),
  SQLValueFunction: words("op typmod location"),
  SetToDefault: words("location"),
  CollateClause: words("arg collname location"),
  // Writes.
  InsertStmt: words("relation cols selectStmt override"),
  UpdateStmt: words("relation targetList whereClause fromClause withClause"),
  DeleteStmt: words("relation usingClause whereClause withClause"),
  MergeStmt: words("relation sourceRelation joinCondition mergeWhenClauses"),
  MergeWhenClause: words("matchKind commandType override targetList values"),
  // Definitions, as our own translation of CREATE TABLE leaves them.
  CreateStmt: words("relation tableElts oncommit if_not_exists"),
  ColumnDef: words("colname typeName is_local constraints storage_name location"),
  Constraint: words(`contype conname raw_expr options generated_when is_enforced initially_valid
    skip_validation location`),
  DefElem: words("defname arg defaction location"),
  TableLikeClause: words("relation options"),
  CreateTableAsStmt: words("query into objtype is_select_into if_not_exists"),
  ViewStmt: words("view aliases query replace withCheckOption"),
  CreateSchemaStmt: words("schemaname if_not_exists authrole"),
  DropStmt: words("objects removeType behavior missing_ok"),
  AlterTableStmt: words("relation cmds objtype missing_ok"),
  AlterTableCmd: words("subtype name def newowner behavior missing_ok"),
  RenameStmt: words(`renameType relationType relation subname newname behavior missing_ok`),
  TruncateStmt: words("relations behavior"),
  LockStmt: words("relations mode"),
  CommentStmt: words("objtype object comment"),
  VacuumStmt: words("rels options is_vacuumcmd"),
  VacuumRelation: words("relation va_cols"),
  ExplainStmt: words("query options"),
  // Users and rights.
  CreateRoleStmt: words("stmt_type role options"),
  AlterRoleStmt: words("role options action"),
  DropRoleStmt: words("roles missing_ok"),
  GrantStmt: words(`is_grant targtype objtype objects privileges grantees behavior grant_option`),
  AccessPriv: words("priv_name cols"),
  RoleSpec: words("roletype rolename location"),
  GrantRoleStmt: words("is_grant granted_roles grantee_roles opt behavior"),
  AlterDefaultPrivilegesStmt: words("options action"),
};

/** Fields that hold a node without saying its kind. */
export const PLAIN: Readonly<Record<string, string>> = {
  "SelectStmt.larg": "SelectStmt",
  "SelectStmt.rarg": "SelectStmt",
  "SelectStmt.intoClause": "IntoClause",
  "SelectStmt.withClause": "WithClause",
  "IntoClause.rel": "RangeVar",
  "TypeCast.typeName": "TypeName",
  "FuncCall.over": "WindowDef",
  "RangeVar.alias": "Alias",
  "RangeSubselect.alias": "Alias",
  "RangeFunction.alias": "Alias",
  "JoinExpr.alias": "Alias",
  "InsertStmt.relation": "RangeVar",
  "UpdateStmt.relation": "RangeVar",
  "UpdateStmt.withClause": "WithClause",
  "DeleteStmt.relation": "RangeVar",
  "DeleteStmt.withClause": "WithClause",
  "MergeStmt.relation": "RangeVar",
  "CreateStmt.relation": "RangeVar",
  "ColumnDef.typeName": "TypeName",
  "TableLikeClause.relation": "RangeVar",
  "CreateTableAsStmt.into": "IntoClause",
  "ViewStmt.view": "RangeVar",
  "CreateSchemaStmt.authrole": "RoleSpec",
  "AlterTableStmt.relation": "RangeVar",
  "AlterTableCmd.newowner": "RoleSpec",
  "RenameStmt.relation": "RangeVar",
  "VacuumRelation.relation": "RangeVar",
  "AlterRoleStmt.role": "RoleSpec",
  "AlterDefaultPrivilegesStmt.action": "GrantStmt",
};

/** Values of kinds that have some which Redshift lacks. */
export const VALUES: Readonly<Record<string, ReadonlySet<string>>> = {
  "A_Expr.kind": words(`AEXPR_OP AEXPR_NULLIF AEXPR_IN AEXPR_LIKE AEXPR_ILIKE AEXPR_SIMILAR
    AEXPR_BETWEEN AEXPR_NOT_BETWEEN`),
  "SubLink.subLinkType": words("EXISTS_SUBLINK ALL_SUBLINK ANY_SUBLINK EXPR_SUBLINK"),
  "SelectStmt.limitOption": words("LIMIT_OPTION_DEFAULT LIMIT_OPTION_COUNT"),
  "CommonTableExpr.ctematerialized": words("CTEMaterializeDefault"),
  "SQLValueFunction.op": words(
    "SVFOP_CURRENT_DATE SVFOP_CURRENT_USER SVFOP_SESSION_USER SVFOP_USER",
  ),
  "InsertStmt.override": words("OVERRIDING_NOT_SET"),
  "DropStmt.removeType": words("OBJECT_TABLE OBJECT_VIEW OBJECT_SCHEMA"),
  "RenameStmt.renameType": words("OBJECT_TABLE OBJECT_COLUMN OBJECT_SCHEMA"),
  "CommentStmt.objtype": words("OBJECT_TABLE OBJECT_COLUMN OBJECT_VIEW OBJECT_SCHEMA"),
  "AlterTableCmd.subtype": words("AT_AddColumn AT_DropColumn AT_ChangeOwner"),
  "GrantStmt.objtype": words("OBJECT_TABLE OBJECT_SCHEMA OBJECT_DATABASE"),
  "MergeWhenClause.matchKind": words("MERGE_WHEN_MATCHED MERGE_WHEN_NOT_MATCHED_BY_TARGET"),
  "ViewStmt.withCheckOption": words("NO_CHECK_OPTION"),
  "LockStmt.mode": words("8"),
};
