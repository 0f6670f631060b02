/*
 * profile_bytes.h
 *	  Profiles as bytes, and which columns a model's profile has.
 */
#ifndef PF_PROFILE_BYTES_H
#define PF_PROFILE_BYTES_H

#include "engine/measure/profile.h"
#include "engine/model/model.h"

/*
 * The profile of a training, which carries the frames; and any other, which can be read by
 * those who have them.  Sets profile->frame of the former.
 */
extern uint8_t *pf_baseline_encode(const PfEnv *env, const PfFrame *frames, PfProfile *profile,
								   size_t *size);
extern uint8_t *pf_profile_encode(const PfEnv *env, const PfFrame *frames,
								  const PfProfile *profile, size_t *size);

/*
 * From bytes that nobody vouches for; false and *reason (static, lower case) when they are not
 * what they should be.  The model is that of the version.
 */
extern bool pf_baseline_decode(const PfEnv *env, const PfModel *model, const uint8_t *bytes,
							   size_t size, PfFrame **frames, PfProfile *profile,
							   const char **reason);
extern bool pf_profile_decode(const PfEnv *env, const PfFrame *frames, uint32_t ncolumns,
							  uint64_t frame, const uint8_t *bytes, size_t size,
							  PfProfile *profile, const char **reason);

/* The columns of a version: features, prediction, target. */
static inline uint32_t
pf_profile_columns(const PfModel *model)
{
	return model->nfeatures + 2;
}

/* What a version predicts is a class, else a number: which one, of the width values of a walk. */
static inline bool
pf_predicts_class(const PfModel *model)
{
	return model->nclasses > 2;
}

static inline double
pf_predicted_number(const PfModel *model, const double *out)
{
	return out[model->nclasses == 2 ? 1 : 0];
}

#endif							/* PF_PROFILE_BYTES_H */
