/*
 * leaves.c
 *	  The leaves of a tree from left to right.
 *
 * In this order the leaves below any node lie side by side.
 */
#include "engine/grow/tree.h"

void
pf_number_leaves(const PfEnv *env, const PfNode *nodes, uint32_t nnodes, uint32_t *before)
{
	/* a tree of n nodes has at most (n + 1) / 2 open at once, and two are pushed before one is taken */
	uint32_t   *stack = pf_alloc(env, ((size_t) nnodes / 2 + 2) * sizeof(uint32_t));
	uint32_t	depth = 0;
	uint32_t	leaves = 0;
	uint32_t	done = 0;

	stack[depth++] = 0;
	while (depth > 0)
	{
		uint32_t	at = stack[--depth];

		if (++done % 16384 == 0)
			pf_check(env);
		before[at] = leaves;
		if (pf_is_leaf(&nodes[at]))
		{
			leaves++;
			continue;
		}
		stack[depth++] = (nodes[at].link & PF_LINK_MASK) + 1;
		stack[depth++] = nodes[at].link & PF_LINK_MASK;
	}
	pf_release(env, stack);
}
